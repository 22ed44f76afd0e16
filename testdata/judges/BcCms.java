import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.AlgorithmParameters;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.Security;
import java.security.cert.X509Certificate;
import java.security.spec.MGF1ParameterSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.crypto.Cipher;
import javax.crypto.CipherOutputStream;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.ASN1Primitive;
import org.bouncycastle.asn1.DEROctetString;
import org.bouncycastle.asn1.DERSet;
import org.bouncycastle.asn1.cms.Attribute;
import org.bouncycastle.asn1.cms.AttributeTable;
import org.bouncycastle.asn1.cms.CCMParameters;
import org.bouncycastle.asn1.cms.CMSObjectIdentifiers;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.asn1.cms.GCMParameters;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.SubjectKeyIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.CMSAlgorithm;
import org.bouncycastle.cms.CMSAuthEnvelopedData;
import org.bouncycastle.cms.CMSAuthEnvelopedDataGenerator;
import org.bouncycastle.cms.CMSAuthEnvelopedDataStreamGenerator;
import org.bouncycastle.cms.CMSEnvelopedData;
import org.bouncycastle.cms.CMSEnvelopedDataGenerator;
import org.bouncycastle.cms.CMSEnvelopedDataStreamGenerator;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.RecipientInfoGenerator;
import org.bouncycastle.cms.RecipientInformation;
import org.bouncycastle.cms.RecipientInformationStore;
import org.bouncycastle.cms.SimpleAttributeTableGenerator;
import org.bouncycastle.cms.jcajce.JceCMSContentEncryptorBuilder;
import org.bouncycastle.cms.jcajce.JceKeyTransAuthEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransRecipientId;
import org.bouncycastle.cms.jcajce.JceKeyTransRecipientInfoGenerator;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.operator.GenericKey;
import org.bouncycastle.operator.OutputAEADEncryptor;
import org.bouncycastle.operator.OutputEncryptor;
import org.bouncycastle.operator.jcajce.JcaAlgorithmParametersConverter;
import org.bouncycastle.operator.jcajce.JceGenericKey;

/**
 * Bouncy Castle as a judge of encryption. It is given one file with a case per line, so that Java starts once:
 *
 *   encrypt IN OUT CIPHER TRANSPORT FORMS CERT...   CIPHER and TRANSPORT as package cms names them, TRANSPORT also
 *                                                    oaep-sha256-mgf1-sha1; FORMS joined with + from whole, stream,
 *                                                    keyid, attributes (GCM and CCM), appended (their tag)
 *   decrypt IN OUT CERT KEY
 *
 * It prints a line per case, "ok" or "fail" and why, and ends with 0.
 */
public class BcCms {
    public static void main(String[] args) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        for (String line : Files.readAllLines(Paths.get(args[0]))) {
            String result = "ok";
            try {
                String[] a = line.split("\t");
                if (a[0].equals("encrypt")) {
                    encrypt(Files.readAllBytes(Paths.get(a[1])), Paths.get(a[2]), a[3], a[4], Arrays.asList(a[5].split("\\+")), Arrays.asList(a).subList(6, a.length));
                } else {
                    Files.write(Paths.get(a[2]), decrypt(Files.readAllBytes(Paths.get(a[1])), certificate(a[3]), key(a[4])));
                }
            } catch (Throwable e) {
                result = "fail " + String.valueOf(e).replace('\n', ' ');
            }
            System.out.println(result);
        }
    }

    static void encrypt(byte[] content, Path out, String cipher, String transport, List<String> forms, List<String> certs) throws Exception {
        boolean authenticated = (cipher.endsWith("gcm") || cipher.endsWith("ccm")) && !forms.contains("appended");
        List<RecipientInfoGenerator> recipients = new ArrayList<>();
        for (String cert : certs) {
            recipients.add(recipient(certificate(cert), transport, forms.contains("keyid")));
        }
        OutputEncryptor encryptor = forms.contains("appended") ? new Appending(oid(cipher), bits(cipher))
            : (bits(cipher) == 0 ? new JceCMSContentEncryptorBuilder(oid(cipher)) : new JceCMSContentEncryptorBuilder(oid(cipher), bits(cipher)))
                .setProvider("BC").build();
        byte[] message;
        if (authenticated && forms.contains("stream")) {
            CMSAuthEnvelopedDataStreamGenerator g = new CMSAuthEnvelopedDataStreamGenerator();
            recipients.forEach(g::addRecipientInfoGenerator);
            if (forms.contains("attributes")) {
                g.setAuthenticatedAttributeGenerator(attributes());
            }
            ByteArrayOutputStream b = new ByteArrayOutputStream();
            try (OutputStream o = g.open(b, (OutputAEADEncryptor) encryptor)) {
                o.write(content);
            }
            message = b.toByteArray();
        } else if (authenticated) {
            CMSAuthEnvelopedDataGenerator g = new CMSAuthEnvelopedDataGenerator();
            recipients.forEach(g::addRecipientInfoGenerator);
            if (forms.contains("attributes")) {
                g.setAuthenticatedAttributeGenerator(attributes());
            }
            message = g.generate(new CMSProcessableByteArray(content), (OutputAEADEncryptor) encryptor).getEncoded();
        } else if (forms.contains("stream")) {
            CMSEnvelopedDataStreamGenerator g = new CMSEnvelopedDataStreamGenerator();
            recipients.forEach(g::addRecipientInfoGenerator);
            ByteArrayOutputStream b = new ByteArrayOutputStream();
            try (OutputStream o = g.open(b, encryptor)) {
                o.write(content);
            }
            message = b.toByteArray();
        } else {
            CMSEnvelopedDataGenerator g = new CMSEnvelopedDataGenerator();
            recipients.forEach(g::addRecipientInfoGenerator);
            message = g.generate(new CMSProcessableByteArray(content), encryptor).getEncoded();
        }
        Files.write(out, message);
    }

    /** Two attributes, so that their order counts. */
    static SimpleAttributeTableGenerator attributes() {
        ASN1EncodableVector v = new ASN1EncodableVector();
        v.add(new Attribute(new ASN1ObjectIdentifier("1.2.3.5"), new DERSet(new DEROctetString("second".getBytes()))));
        v.add(new Attribute(new ASN1ObjectIdentifier("1.2.3.4"), new DERSet(new DEROctetString("first".getBytes()))));
        return new SimpleAttributeTableGenerator(new AttributeTable(v));
    }

    static RecipientInfoGenerator recipient(X509Certificate cert, String transport, boolean keyid) throws Exception {
        AlgorithmIdentifier id = new AlgorithmIdentifier(PKCSObjectIdentifiers.rsaEncryption, org.bouncycastle.asn1.DERNull.INSTANCE);
        if (transport.startsWith("oaep-")) {
            String[] p = transport.split("-mgf1-");
            String digest = digest(p[0].substring(5));
            String mask = p.length > 1 ? digest(p[1]) : digest;
            id = new JcaAlgorithmParametersConverter().getAlgorithmIdentifier(PKCSObjectIdentifiers.id_RSAES_OAEP,
                new OAEPParameterSpec(digest, "MGF1", new MGF1ParameterSpec(mask), PSource.PSpecified.DEFAULT));
        }
        JceKeyTransRecipientInfoGenerator g = keyid
            ? new JceKeyTransRecipientInfoGenerator(SubjectKeyIdentifier.fromExtensions(new X509CertificateHolder(cert.getEncoded()).getExtensions()).getKeyIdentifier(), id, cert.getPublicKey())
            : new JceKeyTransRecipientInfoGenerator(cert, id);
        return g.setProvider("BC");
    }

    static String digest(String name) {
        return name.equals("sha1") ? "SHA-1" : "SHA-" + name.substring(3);
    }

    static byte[] decrypt(byte[] message, X509Certificate cert, PrivateKey key) throws Exception {
        boolean authenticated = ContentInfo.getInstance(ASN1Primitive.fromByteArray(message)).getContentType().equals(CMSObjectIdentifiers.authEnvelopedData);
        RecipientInformationStore store = authenticated ? new CMSAuthEnvelopedData(message).getRecipientInfos() : new CMSEnvelopedData(message).getRecipientInfos();
        RecipientInformation recipient = store.get(new JceKeyTransRecipientId(cert));
        if (recipient == null) {
            throw new IllegalStateException("not encrypted to the certificate");
        }
        return authenticated
            ? recipient.getContent(new JceKeyTransAuthEnvelopedRecipient(key).setProvider("BC"))
            : recipient.getContent(new JceKeyTransEnvelopedRecipient(key).setProvider("BC"));
    }

    /** The length of the key, 0 where the cipher has only one. */
    static int bits(String cipher) {
        return cipher.matches("(aes|rc2)-.*") ? Integer.parseInt(cipher.split("-")[1]) : 0;
    }

    static ASN1ObjectIdentifier oid(String cipher) {
        switch (cipher) {
            case "des-ede3-cbc":
                return CMSAlgorithm.DES_EDE3_CBC;
            case "cast5-cbc":
                return CMSAlgorithm.CAST5_CBC;
            case "idea-cbc":
                return CMSAlgorithm.IDEA_CBC;
            case "aes-128-cbc":
                return CMSAlgorithm.AES128_CBC;
            case "aes-192-cbc":
                return CMSAlgorithm.AES192_CBC;
            case "aes-256-cbc":
                return CMSAlgorithm.AES256_CBC;
            case "aes-128-gcm":
                return CMSAlgorithm.AES128_GCM;
            case "aes-192-gcm":
                return CMSAlgorithm.AES192_GCM;
            case "aes-256-gcm":
                return CMSAlgorithm.AES256_GCM;
            case "aes-128-ccm":
                return CMSAlgorithm.AES128_CCM;
            case "aes-192-ccm":
                return CMSAlgorithm.AES192_CCM;
            case "aes-256-ccm":
                return CMSAlgorithm.AES256_CCM;
            default:
                return CMSAlgorithm.RC2_CBC;
        }
    }

    /** GCM or CCM as a plain cipher of Java, which puts the tag behind the content, in an EnvelopedData. */
    static final class Appending implements OutputEncryptor {
        private final AlgorithmIdentifier id;
        private final SecretKeySpec key;
        private final Cipher cipher;

        Appending(ASN1ObjectIdentifier oid, int bits) throws Exception {
            SecureRandom random = new SecureRandom();
            byte[] raw = new byte[bits / 8];
            byte[] nonce = new byte[12];
            random.nextBytes(raw);
            random.nextBytes(nonce);
            boolean gcm = oid.equals(CMSAlgorithm.AES128_GCM) || oid.equals(CMSAlgorithm.AES192_GCM) || oid.equals(CMSAlgorithm.AES256_GCM);
            id = new AlgorithmIdentifier(oid, gcm ? new GCMParameters(nonce, 16) : new CCMParameters(nonce, 16));
            key = new SecretKeySpec(raw, "AES");
            AlgorithmParameters p = AlgorithmParameters.getInstance(gcm ? "GCM" : "CCM", "BC");
            p.init(id.getParameters().toASN1Primitive().getEncoded());
            cipher = Cipher.getInstance(gcm ? "AES/GCM/NoPadding" : "AES/CCM/NoPadding", "BC");
            cipher.init(Cipher.ENCRYPT_MODE, key, p);
        }

        @Override
        public AlgorithmIdentifier getAlgorithmIdentifier() {
            return id;
        }

        @Override
        public OutputStream getOutputStream(OutputStream out) {
            return new CipherOutputStream(out, cipher);
        }

        @Override
        public GenericKey getKey() {
            return new JceGenericKey(id, key);
        }
    }

    static final Map<String, Object> parsed = new HashMap<>();

    static Object pem(String path) throws Exception {
        Object known = parsed.get(path);
        if (known == null) {
            try (Reader r = Files.newBufferedReader(Paths.get(path)); PEMParser p = new PEMParser(r)) {
                known = p.readObject();
            }
            parsed.put(path, known);
        }
        return known;
    }

    static X509Certificate certificate(String path) throws Exception {
        return new JcaX509CertificateConverter().getCertificate((X509CertificateHolder) pem(path));
    }

    static PrivateKey key(String path) throws Exception {
        return new JcaPEMKeyConverter().getPrivateKey((PrivateKeyInfo) pem(path));
    }
}
